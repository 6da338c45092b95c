// Selects the tab that the page's address names (?tab=ID), before the server has answered anything.
() => {
  const tab = new URLSearchParams(location.search).get("tab");
  return __TABS__.includes(tab) ? { __type__: "update", selected: tab } : { __type__: "update" };
}
