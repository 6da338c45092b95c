// 1, 2 and 3 answer; the arrows go back and skip; F held shows B in A's place, so that differences
// flicker; no key does anything while somebody types. A click on a run's card starts a trial.
() => {
  if (window.reviewShortcuts) return;
  window.reviewShortcuts = true;
  let held = null; // the picture that is exchanged, and its own address
  const exchange = () => {
    const picture = (side) => document.querySelector(`#review-picture-${side} img`);
    const [a, b] = [picture("a"), picture("b")];
    if (held || !a || !b || !a.offsetParent) return;
    held = { image: a, own: a.src, other: b.src };
    a.src = b.src;
    document.querySelector("#review-stage").classList.add("review-exchanged");
  };
  const giveBack = () => {
    if (!held) return;
    if (held.image.src === held.other) held.image.src = held.own; // else it is another question's
    held = null;
    document.querySelector("#review-stage").classList.remove("review-exchanged");
  };
  const isHolder = (target) => target.closest && target.closest("#review-flicker");
  const buttons = { 1: "a", 2: "tie", 3: "b", ArrowLeft: "back", ArrowRight: "skip" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const chooser = "[type=radio], [type=checkbox], [type=range], [role=tab], [role=slider]";
    const typed = "textarea, select, [contenteditable=true], input";
    const at = event.target;
    if (at.matches(chooser) ? event.key.startsWith("Arrow") : at.matches(typed)) return;
    if (isHolder(at) && (event.key === " " || event.key === "Enter")) exchange();
    if (event.key.toLowerCase() === "f") exchange();
    const name = buttons[event.key];
    const button = name && document.querySelector("#review-" + name);
    if (!button || !button.offsetParent || button.disabled || event.repeat) return;
    event.preventDefault();
    button.click();
  });
  document.addEventListener("keyup", giveBack);
  document.addEventListener("pointerdown", (event) => { if (isHolder(event.target)) exchange(); });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, giveBack);
  addEventListener("blur", giveBack);
  document.addEventListener("click", (event) => {
    const card = event.target.closest("[data-review-run]");
    if (!card) return;
    window.reviewRun = card.dataset.reviewRun;
    document.querySelector("#review-try").click();
  });
}
