// Opens another run in the view that is open.
(run) => {
  const view = new URLSearchParams(window.evAddress).get("view") || "board";
  if (run) window.evOpen(new URLSearchParams({ tab: "evaluate", view, run }).toString());
}
