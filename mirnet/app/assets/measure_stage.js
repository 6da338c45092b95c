/* Puts the stage's width in pixels into the last input of an event, so that 100 % is 100 %. */
(...given) => {
  given[given.length - 1] = document.querySelector("#stage").clientWidth - 4;
  return given;
}
