// One zoom for all pictures of the tab Compare methods: wheel, pinch and drag on a picture, the
// buttons above, and the arrow keys while one of these has the focus. Style variables move them all.
() => {
  if (window.methodsZoom) return;
  const view = { zoom: 1, x: 0, y: 0 }; // x, y: place of the left top, in widths and heights of a picture
  window.methodsZoom = view;
  const stage = () => document.querySelector("#methods-stage");
  const pictures = () => [...stage().querySelectorAll(".methods-picture img")];
  const pictureAt = (event) => event.target.closest && event.target.closest(".methods-picture img");
  // Zoom at which one pixel of the picture is one of the page.
  const full = () => {
    const one = pictures().find((image) => image.offsetWidth);
    return one ? one.naturalWidth / one.offsetWidth : 1;
  };
  const apply = () => {
    view.x = Math.min(0, Math.max(1 - view.zoom, view.x));
    view.y = Math.min(0, Math.max(1 - view.zoom, view.y));
    const here = stage();
    here.style.setProperty("--zoom", view.zoom);
    here.style.setProperty("--x", `${100 * view.x}%`);
    here.style.setProperty("--y", `${100 * view.y}%`);
    here.classList.toggle("methods-zoomed", view.zoom > 1);
    here.classList.toggle("methods-squares", view.zoom > 1.5 * full());
    for (const button of here.querySelectorAll("[data-zoom]")) {
      const wanted = Number(button.dataset.zoom) ? Number(button.dataset.zoom) * full() : 1;
      button.setAttribute("aria-pressed", Math.abs(wanted - view.zoom) < 0.01);
    }
  };
  // Zooms about a point, given in widths and heights of a picture.
  const zoomTo = (zoom, x, y) => {
    const next = Math.min(Math.max(zoom, 1), Math.max(8 * full(), 8));
    view.x = x - ((x - view.x) / view.zoom) * next;
    view.y = y - ((y - view.y) / view.zoom) * next;
    view.zoom = next;
    apply();
  };
  const shareOf = (image, event) => {
    const frame = image.parentElement.getBoundingClientRect();
    return [(event.clientX - frame.left) / image.offsetWidth, (event.clientY - frame.top) / image.offsetHeight];
  };
  document.addEventListener("wheel", (event) => {
    const image = pictureAt(event);
    if (!image || (view.zoom === 1 && event.deltaY > 0)) return; // the page scrolls on
    event.preventDefault();
    zoomTo(view.zoom * Math.exp(-event.deltaY / 400), ...shareOf(image, event));
  }, { passive: false });
  const held = new Map(); // pointers on a picture: their last places
  let spread = 0;
  document.addEventListener("pointerdown", (event) => {
    const image = pictureAt(event);
    if (!image) return;
    held.set(event.pointerId, event);
    spread = 0;
    if (view.zoom > 1) image.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    const image = before && before.target;
    if (!before) return;
    held.set(event.pointerId, event);
    if (held.size === 2) {
      const [one, two] = [...held.values()];
      const now = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
      if (spread) zoomTo((view.zoom * now) / spread, ...shareOf(pictures()[0], event));
      spread = now;
    } else if (view.zoom > 1 && image.offsetWidth) {
      view.x += (event.clientX - before.clientX) / image.offsetWidth;
      view.y += (event.clientY - before.clientY) / image.offsetHeight;
      apply();
    }
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, (event) => { held.delete(event.pointerId); spread = 0; });
  document.addEventListener("dragstart", (event) => { if (pictureAt(event)) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".methods-zoom [data-zoom]");
    if (button) zoomTo(Number(button.dataset.zoom) * full() || 1, 0.5, 0.5);
  });
  const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  document.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || view.zoom === 1 || !event.target.closest(".methods-zoom, .methods-picture")) return;
    event.preventDefault();
    view.x += step[0];
    view.y += step[1];
    apply();
  });
}
