// Gives an event, as its first input, the box of the pictures that is seen: left, top, width, height.
(_, ...given) => {
  const stage = document.querySelector("#ev-stage");
  return [window.pictureZoom.place(stage).box.join(","), ...given];
}
