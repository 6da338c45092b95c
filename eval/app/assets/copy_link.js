// Puts the link of what is on the screen into the clipboard.
async () => {
  const query = new URLSearchParams(window.evAddress);
  query.delete("__theme");
  const link = `${location.origin}${location.pathname}?${query}`;
  try { await navigator.clipboard.writeText(link); }
  catch { window.prompt("Copy this link", link); }
}
