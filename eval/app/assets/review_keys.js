// 1, 2 and 3 answer; the arrows go back and skip; no key does anything while somebody types.
() => {
  if (window.reviewShortcuts) return;
  window.reviewShortcuts = true;
  const buttons = { 1: "a", 2: "tie", 3: "b", ArrowLeft: "back", ArrowRight: "skip" };
  document.addEventListener("keydown", (event) => {
    const name = buttons[event.key];
    const button = name && document.querySelector("#review-" + name);
    if (!button || !button.offsetParent || button.disabled) return;
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const chooser = "[type=radio], [type=checkbox], [type=range], [role=tab], [role=slider]";
    const typed = "textarea, select, [contenteditable=true], input";
    const at = event.target;
    if (at.matches(chooser) ? event.key.startsWith("Arrow") : at.matches(typed)) return;
    event.preventDefault();
    button.click();
  });
}
