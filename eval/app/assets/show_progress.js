// Scrolls to the progress where it is below the fold.
() => {
  const bar = document.querySelector("#ev-bar");
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (bar && bar.getBoundingClientRect().top > innerHeight - 120)
    bar.scrollIntoView({ behavior, block: "center" });
}
