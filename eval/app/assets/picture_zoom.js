// One zoom for all pictures of a stage (.sync-stage > .sync-picture): wheel, pinch and drag on a
// picture, the buttons above, and the arrow keys while one of these has the focus. Style variables
// move them all; a ring marks in each picture the place that the pointer is on in one.
() => {
  if (window.pictureZoom) return;
  const views = new WeakMap(); // x, y: place of the left top, in widths and heights of a picture
  const viewOf = (stage) => {
    if (!views.has(stage)) views.set(stage, { zoom: 1, x: 0, y: 0 });
    return views.get(stage);
  };
  const stageOf = (node) => (node && node.closest ? node.closest(".sync-stage") : null);
  const pictures = (stage) => [...stage.querySelectorAll(".sync-picture img")].filter((one) => one.offsetWidth);
  const pictureAt = (event) => event.target.closest && event.target.closest(".sync-stage .sync-picture img");
  // Zoom at which one pixel of the picture is one of the page.
  const full = (stage) => {
    const one = pictures(stage).find((image) => image.naturalWidth);
    return one ? one.naturalWidth / one.offsetWidth : 1;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const apply = (stage) => {
    const view = viewOf(stage);
    view.x = clamp(view.x, 1 - view.zoom, 0);
    view.y = clamp(view.y, 1 - view.zoom, 0);
    stage.style.setProperty("--zoom", view.zoom);
    stage.style.setProperty("--x", `${100 * view.x}%`);
    stage.style.setProperty("--y", `${100 * view.y}%`);
    stage.classList.toggle("sync-zoomed", view.zoom > 1);
    stage.classList.toggle("sync-squares", view.zoom > 1.5 * full(stage));
    for (const button of stage.querySelectorAll("[data-zoom]")) {
      const wanted = Number(button.dataset.zoom) ? Number(button.dataset.zoom) * full(stage) : 1;
      button.setAttribute("aria-pressed", Math.abs(wanted - view.zoom) < 0.01);
    }
  };
  let telling = null;
  const moved = (stage) => {
    apply(stage);
    clearTimeout(telling);
    telling = setTimeout(() => stage.dispatchEvent(new CustomEvent("picturezoom", { bubbles: true })), 200);
  };
  // Zooms about a point, given in widths and heights of a picture.
  const zoomTo = (stage, zoom, x, y) => {
    const view = viewOf(stage);
    const next = clamp(zoom, 1, Math.max(8 * full(stage), 8));
    view.x = x - ((x - view.x) / view.zoom) * next;
    view.y = y - ((y - view.y) / view.zoom) * next;
    view.zoom = next;
    moved(stage);
  };
  const shareOf = (image, event) => {
    const frame = image.parentElement.getBoundingClientRect();
    return [(event.clientX - frame.left) / image.offsetWidth, (event.clientY - frame.top) / image.offsetHeight];
  };
  window.pictureZoom = {
    // Pixels of the page for one of the picture (0: the whole picture), the middle of what is seen
    // in percent, and its box in pixels: left, top, width, height.
    place(stage) {
      const { zoom, x, y } = viewOf(stage);
      // The stored picture, which may be larger than the one that is shown.
      const { width = 0, height = 0 } = stage.querySelector(".sync-place[data-width]")?.dataset ?? {};
      const part = 1 / zoom;
      return {
        zoom: zoom > 1 ? Number((zoom / full(stage)).toFixed(2)) : 0,
        across: Math.round(100 * (0.5 - x) * part),
        down: Math.round(100 * (0.5 - y) * part),
        box: [-x * part * width, -y * part * height, part * width, part * height].map(Math.round),
      };
    },
    set(stage, zoom, across, down) {
      const view = viewOf(stage);
      view.zoom = zoom ? Math.max(zoom * full(stage), 1) : 1;
      view.x = 0.5 - (across / 100) * view.zoom;
      view.y = 0.5 - (down / 100) * view.zoom;
      apply(stage);
    },
  };
  document.addEventListener("wheel", (event) => {
    const image = pictureAt(event);
    const stage = image && stageOf(image);
    if (!image || (viewOf(stage).zoom === 1 && event.deltaY > 0)) return; // the page scrolls on
    event.preventDefault();
    zoomTo(stage, viewOf(stage).zoom * Math.exp(-event.deltaY / 400), ...shareOf(image, event));
  }, { passive: false });
  const held = new Map(); // pointers on a picture: their last places
  let spread = 0;
  document.addEventListener("pointerdown", (event) => {
    const image = pictureAt(event);
    if (!image) return;
    held.set(event.pointerId, event);
    spread = 0;
    if (viewOf(stageOf(image)).zoom > 1) image.setPointerCapture(event.pointerId);
  });
  const mark = (event) => {
    const image = pictureAt(event);
    for (const stage of document.querySelectorAll(".sync-stage")) {
      const here = Boolean(image) && stageOf(image) === stage;
      stage.classList.toggle("sync-marked", here);
      if (!here) continue;
      const [x, y] = shareOf(image, event);
      stage.style.setProperty("--mark-x", `${100 * x}%`);
      stage.style.setProperty("--mark-y", `${100 * y}%`);
    }
  };
  document.addEventListener("pointermove", (event) => {
    mark(event);
    const before = held.get(event.pointerId);
    const image = before && before.target;
    const stage = image && stageOf(image);
    if (!before || !stage) return;
    held.set(event.pointerId, event);
    const view = viewOf(stage);
    if (held.size === 2) {
      const [one, two] = [...held.values()];
      const now = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
      if (spread) zoomTo(stage, (view.zoom * now) / spread, ...shareOf(pictures(stage)[0], event));
      spread = now;
    } else if (view.zoom > 1 && image.offsetWidth) {
      view.x += (event.clientX - before.clientX) / image.offsetWidth;
      view.y += (event.clientY - before.clientY) / image.offsetHeight;
      moved(stage);
    }
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, (event) => { held.delete(event.pointerId); spread = 0; });
  document.addEventListener("dragstart", (event) => { if (pictureAt(event)) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".picture-zoom [data-zoom]");
    const stage = stageOf(button);
    if (stage) zoomTo(stage, Number(button.dataset.zoom) * full(stage) || 1, 0.5, 0.5);
  });
  const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  document.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const stage = stageOf(event.target);
    if (!step || !stage || viewOf(stage).zoom === 1) return;
    if (!event.target.closest(".picture-zoom, .sync-picture")) return;
    event.preventDefault();
    viewOf(stage).x += step[0];
    viewOf(stage).y += step[1];
    moved(stage);
  });
  // A place that the server names (.sync-place) is gone to once the pictures are there.
  const goTo = () => {
    for (const place of document.querySelectorAll(".sync-stage .sync-place:not([data-seen])")) {
      const stage = stageOf(place);
      if (!pictures(stage).some((image) => image.naturalWidth)) continue;
      place.dataset.seen = "1";
      const { zoom, across, down } = place.dataset;
      window.pictureZoom.set(stage, Number(zoom), Number(across), Number(down));
    }
  };
  new MutationObserver(goTo).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("load", (event) => {
    const image = pictureAt(event);
    if (!image) return;
    apply(stageOf(image));
    goTo();
  }, true);
}
