/* Scrolls a phone to the result, which lies below the controls, and moves the keyboard to Download. */
() => {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (innerWidth < 700) document.querySelector("#stage").scrollIntoView({ behavior });
  if (document.activeElement === document.body)
    document.querySelector("#download:not([disabled])")?.focus({ preventScroll: true });
}
