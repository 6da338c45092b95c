// Runs once: zooming and dragging in the Pictures view changes the page's address, and the line of the
// wipe follows its slider.
() => {
  if (window.evPictures) return;
  window.evPictures = true;
  document.addEventListener("picturezoom", (event) => {
    if (event.target.id !== "ev-stage") return;
    window.evMoved = true;
    const { zoom, across, down } = window.pictureZoom.place(event.target);
    const query = new URLSearchParams(window.evAddress);
    if (query.get("view") !== "pictures") return;
    if (zoom) { query.set("zoom", zoom); query.set("at", `${across},${down}`); }
    else { query.delete("zoom"); query.delete("at"); }
    window.evAddress = `?${query}`;
    history.replaceState(history.state, "", location.pathname + window.evAddress);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches(".ev-wipe-at")) return;
    event.target.closest(".sync-stage").style.setProperty("--wipe", `${event.target.value}%`);
  });
}
