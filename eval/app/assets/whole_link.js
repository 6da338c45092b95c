// Puts the address of the page before a query.
(link) => link && location.origin + location.pathname + link
