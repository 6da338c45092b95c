/* Scrolls a phone to the result, which lies below the controls. */
() => {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (innerWidth < 700) document.querySelector("#stage").scrollIntoView({ behavior });
}
