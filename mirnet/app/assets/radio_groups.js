/* Makes the options of a radio group one stop of the Tab key, with arrow keys between them: Gradio
   gives each option a name of its own, so browsers take them for groups of one. */
const asOneGroup = ({ type, target, relatedTarget }) => {
  const group = target.type === "radio" && target.closest("fieldset");
  if (!group) return;
  const options = [...group.querySelectorAll("input[type=radio]")];
  const chosen = options.find((option) => option.checked);
  options.forEach((option) => { option.name = options[0].name; });
  const entered = type === "focusin" && !group.contains(relatedTarget);
  if (chosen && entered && !target.matches(":active")) chosen.focus();
};
document.addEventListener("focusin", asOneGroup);
document.addEventListener("keydown", asOneGroup);
