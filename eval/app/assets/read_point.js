// Gives an event, as its first input, what was clicked in a plot or a strip.
(_, ...given) => [window.evPoint, ...given]
