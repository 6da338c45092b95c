// Makes the link of what is on the screen the page's address: whoever reloads or shares it finds the
// same again. Another view, run or picture is a new place, to which the browser's Back returns.
(link) => {
  if (!link) return;
  const query = new URLSearchParams(link);
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) query.set("__theme", theme);
  const shown = document.querySelector("#ev-views > .tab-wrapper")?.checkVisibility();
  const panel = document.getElementById(`ev-tab-${query.get("view")}`);
  if (shown && !panel?.checkVisibility()) return; // a late answer of a view that was left
  const isElsewhere = (address) => {
    const other = new URLSearchParams(address);
    const differs = (name) => other.get(name) !== query.get(name);
    // While a view opens, its picture is not named yet: that is no place of its own.
    const another = other.get("image") && query.get("image") && differs("image");
    return differs("view") || differs("run") || another;
  };
  if (window.evBack && isElsewhere(window.evBack)) return; // late, and Back was pressed meanwhile
  const moved = window.evShown && !window.evBack && isElsewhere(window.evAddress);
  window.evAddress = `?${query}`;
  window.evBack = null;
  if (!shown) return;
  window.evShown = true;
  const address = location.pathname + window.evAddress;
  if (moved) history.pushState(history.state, "", address);
  else history.replaceState(history.state, "", address);
}
