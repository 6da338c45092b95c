// Sets the last input of an event: CSS pixels that one picture may be wide, so that 100 % is 100 %.
(...given) => {
  const page = document.querySelector("#review");
  const room = (page && page.clientWidth) || Math.min(innerWidth, 1400) - 48;
  given[given.length - 1] = room >= 660 ? Math.floor((room - 16) / 2) - 4 : room - 4;
  return given;
}
