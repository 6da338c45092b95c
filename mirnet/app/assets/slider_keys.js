/* Moves the line between before and after with the arrow keys: Gradio's slider knows the pointer only. */
(() => {
  const STEP = 0.05;
  const middle = (outer) => {
    const box = outer.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  };
  const tell = (outer) => {
    const frame = outer.parentElement.getBoundingClientRect();
    const share = (middle(outer).x - frame.left) / Math.max(frame.width, 1);
    outer.setAttribute("aria-valuenow", Math.round(100 * share));
  };
  const every = (selector, work) => document.querySelectorAll(selector).forEach(work);
  const prepare = (outer) => {
    const said = {
      tabindex: 0, role: "slider", "aria-label": "Line between before and after",
      "aria-valuemin": 0, "aria-valuemax": 100,
    };
    Object.entries(said).forEach(([name, value]) => outer.setAttribute(name, value));
    tell(outer);
  };
  new MutationObserver(() => every(".slider-wrap .outer:not([tabindex])", prepare))
    .observe(document, { childList: true, subtree: true });
  for (const moment of ["pointerup", "focusin"])  // the picture may have come, or the line moved
    document.addEventListener(moment, () => every(".slider-wrap .outer", tell));
  document.addEventListener("keydown", (event) => {
    const outer = event.target.closest?.(".slider-wrap .outer");
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!outer || !way) return;
    event.preventDefault();
    const { x, y } = middle(outer);
    const moved = x + way * STEP * outer.parentElement.clientWidth;
    const send = (target, type, clientX) => target.dispatchEvent(new MouseEvent(
      type, { bubbles: true, cancelable: true, view: window, clientX, clientY: y }));
    send(outer, "mousedown", x);
    send(window, "mousemove", moved);
    send(window, "mouseup", moved);
    requestAnimationFrame(() => tell(outer));
  });
})();
