// Sets the last input of an event: CSS pixels that one picture may be wide, so that 100 % is 100 %.
(...given) => {
  const room = document.querySelector("#ev-pictures");
  const width = (room && room.clientWidth) || Math.min(innerWidth, 1400) - 48;
  const least = Math.min(300, 0.46 * width);
  const columns = Math.max(Math.floor((width + 12) / (least + 12)), 1);
  given[given.length - 1] = Math.floor((width - 12 * (columns - 1)) / columns) - 4;
  return given;
}
