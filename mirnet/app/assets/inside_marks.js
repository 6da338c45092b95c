/* Marks one place in all pictures and maps of the Look inside tab: the one under the pointer, or under
   the finger that touched last. */
(() => {
  const PICTURES = ":is(#inside-seen, #inside-restored, .mir-three [id^='inside-'])";
  // Where a picture lies in its block: it keeps its shape, in the middle of its element.
  const frame = (image) => {
    const box = image.getBoundingClientRect();
    const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
    const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
    return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height };
  };
  const mark = (event) => {
    const here = event.target.closest?.(PICTURES)?.querySelector("img");
    let across = -1, down = -1; // shares of the picture
    if (here?.naturalWidth) {
      const { left, top, width, height } = frame(here);
      [across, down] = [(event.clientX - left) / width, (event.clientY - top) / height];
    }
    const inside = Math.min(across, down) >= 0 && Math.max(across, down) <= 1;
    if (!inside && event.pointerType !== "mouse") return;
    for (const block of document.querySelectorAll(PICTURES)) {
      const image = block.querySelector("img");
      const marked = inside && Boolean(image?.naturalWidth);
      block.classList.toggle("mir-marked", marked);
      if (!marked) continue;
      const { left, top, width, height } = frame(image);
      const outer = block.getBoundingClientRect();
      block.style.setProperty("--mark-x", `${left - outer.left + across * width}px`);
      block.style.setProperty("--mark-y", `${top - outer.top + down * height}px`);
    }
  };
  for (const moment of ["pointermove", "pointerdown"]) document.addEventListener(moment, mark);
})();
