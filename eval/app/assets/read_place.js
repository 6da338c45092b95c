// Sets the last three inputs of an event to the zoom and the place of the Pictures view, if a visitor
// has moved there since a link was opened.
(...given) => {
  const stage = document.querySelector("#ev-stage");
  if (stage && window.evMoved && window.pictureZoom) {
    const { zoom, across, down } = window.pictureZoom.place(stage);
    given.splice(-3, 3, zoom, across, down);
  }
  return given;
}
