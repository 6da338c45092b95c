/* Scrolls to the comparison of the picked photo of a batch, which lies below the list. */
() => {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  document.querySelector("#view").scrollIntoView({ behavior, block: "start" });
}
