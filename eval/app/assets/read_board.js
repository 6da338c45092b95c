// Gives an event the columns and the order of the board that were chosen last.
() => window.evBoard || ["", ""]
