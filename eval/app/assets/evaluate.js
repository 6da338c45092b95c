// Runs once, when the page has loaded. A click on a point or a thumbnail opens its picture, one on a
// heading of a table its menu, which sorts; arrow keys turn pictures, but not while somebody types.
// While another tab is open, the address of the evaluation waits; Back opens the place before.
() => {
  if (window.evReady) return;
  window.evReady = true;
  window.evAddress = "?tab=evaluate&view=overview";
  const aliases = Object.fromEntries(__ALIASES__);
  const labelSearch = () => document.querySelectorAll(".search-input:not([aria-label])").forEach(
    (box) => box.setAttribute("aria-label", "Search the table"));
  const hearPlots = () => document.querySelectorAll(
    "#ev-plot .js-plotly-plot, #ev-other-plots .js-plotly-plot, #ev-report-plots .js-plotly-plot").forEach((plot) => {
    if (!plot.on || plot.evSeen === plot._ev) return;
    plot.evSeen = plot._ev;
    plot.on("plotly_click", (event) => {
      const data = event.points && event.points[0] && event.points[0].customdata;
      if (!data || !(data[0] || data[1])) return;
      window.evPoint = JSON.stringify(data);
      document.querySelector("#ev-point").click();
    });
  });
  // Columns and order of the board are part of its link; columns stay from run to run.
  const noteBoard = () => {
    const boxes = [...document.querySelectorAll("#ev-board [data-ev-columns]")];
    const shown = boxes.filter((box) => box.checked).map((box) => box.dataset.evColumns).join(",")
      || "none";
    const usual = document.querySelector("#ev-board .ev-columns").dataset.default;
    const head = document.querySelector("#ev-board th[aria-sort]");
    const down = head && head.getAttribute("aria-sort") === "descending" ? "-" : "";
    const sort = head ? down + head.querySelector("[data-ev-key]").dataset.evKey : "";
    window.evBoard = [shown === usual ? "" : shown, sort];
    const query = new URLSearchParams(window.evAddress);
    ["columns", "sort"].forEach((name, place) => {
      if (window.evBoard[place]) query.set(name, window.evBoard[place]);
      else query.delete(name);
    });
    window.evAddress = `?${query}`;
    history.replaceState(history.state, "", location.pathname + window.evAddress);
    document.querySelector("#ev-board-chosen").click();
  };
  document.addEventListener("change", (event) => {
    const box = event.target.closest("#ev-board [data-ev-columns]");
    if (!box) return;
    document.querySelectorAll(`#ev-board [data-ev-group="${box.dataset.evColumns}"]`).forEach(
      (cell) => { cell.hidden = !box.checked; });
    noteBoard();
  });
  const sortBy = (button) => {
    const table = button.closest("table");
    const head = button.closest("th");
    const up = head.getAttribute("aria-sort") === "descending";
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => row.cells[Number(button.dataset.evSort)].dataset.value;
    const order = (first, second) => {
      const [a, b] = [value(first), value(second)];
      if (!a || !b) return a ? -1 : b ? 1 : 0; // empty cells stay last
      const by = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
      return up ? by : -by;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  };
  let chosen = false;
  const scrollStrip = () => {
    const here = document.querySelector("#ev-choice .ev-strip:not([data-seen]) [aria-current]");
    if (!here) return;
    const row = here.parentElement;
    row.dataset.seen = "1";
    row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
    if (chosen) here.focus({ preventScroll: true });
    chosen = false;
  };
  let waiting = null; // a link whose tab the page has not built yet
  const openWaiting = () => {
    if (waiting === null) return;
    const query = new URLSearchParams(waiting);
    const typed = (query.get("view") || "").trim().toLowerCase();
    const view = aliases[typed] || typed || (query.get("run") ? "board" : "overview");
    if (view === "board" && window.evBoard && window.evBoard[0] && !query.has("columns")) {
      query.set("columns", window.evBoard[0]);
      waiting = query.toString();
    }
    if (!document.querySelector("#ev-open-board")) return;
    const opener = document.getElementById(`ev-open-${view}`);
    window.evLink = waiting;
    waiting = null;
    (opener || document.querySelector("#ev-open-board")).click();
  };
  window.evBack = null; // the address that Back leads to, until it is shown
  window.evOpen = (link) => {
    window.evBack = null;
    window.evOpened = true;
    window.evTab = ""; // the link fills its view, not the tab that it selects
    waiting = link;
    openWaiting();
  };
  addEventListener("popstate", () => {
    if (new URLSearchParams(location.search).get("tab") !== "evaluate") return;
    window.evOpen(location.search.slice(1));
    window.evBack = location.search;
  });
  const changed = new MutationObserver(() => {
    hearPlots(); labelSearch(); scrollStrip(); openWaiting();
  });
  changed.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("click", (event) => {
    if (event.isTrusted) window.evBack = null;
    const link = event.target.closest("a[data-ev-link]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      window.evOpen(link.getAttribute("href").slice(1));
    }
    const sorter = event.target.closest("[data-ev-sort]");
    if (sorter) {
      sortBy(sorter);
      if (sorter.closest("#ev-board")) noteBoard();
    }
    const part = event.target.closest("a[data-ev-part]");
    if (part) {
      event.preventDefault(); // the address stays that of the report
      const place = document.querySelector(part.getAttribute("href"));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (place) {
        place.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
        place.focus({ preventScroll: true });
      }
    }
    const small = event.target.closest("#ev-choice button[data-pair]");
    if (small) {
      chosen = true;
      window.evPoint = JSON.stringify([small.dataset.pair, ""]);
      document.querySelector("#ev-point").click();
    }
    const tab = event.target.closest("[role=tab], .overflow-dropdown button");
    if (tab && tab.closest("#ev-views")) window.evTab = tab.textContent.trim();
    if (tab && !tab.closest("#ev-views")) {
      const old = new URLSearchParams(location.search).get("tab");
      if (old === "evaluate") history.replaceState(history.state, "", location.pathname);
      if (tab.textContent.trim() === "Evaluate") {
        history.replaceState(history.state, "", location.pathname + window.evAddress);
        // The Overview is filled at the first visit, and lists new runs at each one.
        const view = new URLSearchParams(window.evAddress).get("view");
        if (!window.evOpened || view === "overview") window.evOpen(window.evAddress.slice(1));
      }
    }
    const head = event.target.closest("#evaluate .table-wrap th .header-content");
    const menu = head && head.parentElement.querySelector(".cell-menu-button");
    if (menu) setTimeout(() => menu.click());
  }, true);
  document.addEventListener("keydown", (event) => {
    const id = { ArrowLeft: "#ev-prev", ArrowRight: "#ev-next" }[event.key];
    const button = id && document.querySelector(id);
    if (!button || !button.offsetParent || button.disabled) return;
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    // Whoever types, or moves a slider, a menu or the choice of a radio, keeps the picture.
    const radio = "[type=radio]:focus-visible, [type=range], [role=listbox]";
    const typed = "input:not([type=radio]):not([type=checkbox]):not([readonly])";
    if (event.target.closest(`${typed}, ${radio}, textarea, select, [contenteditable=true]`)) return;
    if (event.target.closest(".sync-zoomed :is(.picture-zoom, .sync-picture)")) return; // moves them
    event.preventDefault();
    button.click();
  });
}
