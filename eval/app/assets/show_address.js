// Makes the link of what is on the screen the page's address: whoever reloads or shares it finds the
// same again.
(link) => {
  if (!link) return;
  const query = new URLSearchParams(link);
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) query.set("__theme", theme);
  window.evAddress = `?${query}`;
  if (document.querySelector("#ev-views")?.checkVisibility())
    history.replaceState(history.state, "", location.pathname + window.evAddress);
}
