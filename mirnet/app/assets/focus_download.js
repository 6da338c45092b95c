/* Lets who used the keyboard go on at the result's file. */
() => {
  if (document.activeElement === document.body)
    document.querySelector("#download:not([disabled])")?.focus({ preventScroll: true });
}
