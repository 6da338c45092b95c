// Opens the link that an event wrote, if it wrote one.
(link) => {
  if (link) window.evOpen(link);
}
