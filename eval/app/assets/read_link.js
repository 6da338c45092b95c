// Gives an event the link that is being opened.
() => window.evLink || ""
