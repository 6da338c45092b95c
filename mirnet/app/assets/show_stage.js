/* Scrolls a phone to the results, which lie above the controls. */
() => {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (innerWidth < 700) document.querySelector(__PLACE__).scrollIntoView({ behavior });
}
