/* Moves the keyboard to Stop: the button that was pressed is switched off and loses the focus. */
() => {
  setTimeout(() => {
    if (document.activeElement === document.body)
      document.querySelector("#stop:not([disabled])")?.focus({ preventScroll: true });
  }, 100);
}
