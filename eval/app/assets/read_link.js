// Gives an event the link that is being opened, whose place counts from now on.
() => {
  window.evMoved = false;
  return window.evLink || "";
}
