// Empties the box of the link; the link of the new name follows.
() => ""
