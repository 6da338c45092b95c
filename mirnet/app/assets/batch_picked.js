/* Sets the clicked photo of a batch and, as the last input of an event, the stage's width. */
(...given) => {
  given[1] = window.mirPicked || "";
  given[given.length - 1] = document.querySelector("#stage").clientWidth - 4;
  return given;
}
