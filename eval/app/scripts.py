"""What the Evaluate page does in the browser itself, as Gradio's events take it."""

MEASURE_ROOM = """(...given) => {
  const room = document.querySelector("#ev-pictures");
  const width = (room && room.clientWidth) || Math.min(innerWidth, 1400) - 48;
  const least = Math.min(300, 0.46 * width);
  const columns = Math.max(Math.floor((width + 12) / (least + 12)), 1);
  given[given.length - 1] = Math.floor((width - 12 * (columns - 1)) / columns) - 4;
  return given;
}"""
"""Tells an event, as its last input, how many pixels a picture may have: 100 % is 100 %."""

SCRIPT = """() => {
  if (window.evReady) return;
  window.evReady = true;
  const label = () => document.querySelectorAll(".search-input:not([aria-label])").forEach(
    (box) => box.setAttribute("aria-label", "Search the table"));
  const hook = () => document.querySelectorAll("#ev-plot .js-plotly-plot").forEach((plot) => {
    if (!plot.on || plot.evSeen === plot._ev) return;
    plot.evSeen = plot._ev;
    plot.on("plotly_click", (event) => {
      const data = event.points && event.points[0] && event.points[0].customdata;
      if (!data || !(data[0] || data[1])) return;
      window.evPoint = JSON.stringify(data);
      document.querySelector("#ev-point").click();
    });
  });
  let chosen = false;
  const strip = () => {
    const here = document.querySelector("#ev-choice .ev-strip:not([data-seen]) [aria-current]");
    if (!here) return;
    const row = here.parentElement;
    row.dataset.seen = "1";
    row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
    if (chosen) here.focus({ preventScroll: true });
    chosen = false;
  };
  const seen = new MutationObserver(() => { hook(); label(); strip(); });
  seen.observe(document.body, { childList: true, subtree: true });
  document.addEventListener("click", (event) => {
    const small = event.target.closest("#ev-choice button[data-pair]");
    if (small) {
      chosen = true;
      window.evPoint = JSON.stringify([small.dataset.pair, ""]);
      document.querySelector("#ev-point").click();
    }
    const tab = event.target.closest("[role=tab], .overflow-dropdown button");
    if (tab && !tab.closest("#ev-views")) {
      const old = new URLSearchParams(location.search).get("tab");
      if (old === "evaluate") history.replaceState(history.state, "", location.pathname);
      if (tab.textContent.trim() === "Evaluate" && window.evAddress)
        history.replaceState(history.state, "", location.pathname + window.evAddress);
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
    const radio = "[type=radio]:focus-visible";  // reached by keyboard: arrows choose there
    const typed = `input:not([type=radio]), ${radio}, textarea, select, [contenteditable=true]`;
    if (event.target.closest(`${typed}, [role=tab], [role=slider], [role=grid]`)) return;
    event.preventDefault();
    button.click();
  });
}"""
"""A click on a point or a small picture opens its picture, one on a heading of a table its menu,
which sorts; arrow keys turn pictures, not while somebody types. Where another tab is opened, the
address of the evaluation waits."""

_LINK = """
  const [view, run, image, protocol, baseline, method, plot, score, a, b, look, zoom, across, down,
    left, right, second, which, k, other] = given;
  const query = new URLSearchParams({ tab: "evaluate", view });
  const add = (parts) => {
    for (const [name, value] of Object.entries(parts)) if (value) query.set(name, value);
  };
  if (view !== "run") add({ run });
  if (["board", "plots", "pictures", "compare"].includes(view)) add({ protocol });
  if (run && ["board", "pictures"].includes(view)) query.set("baseline", baseline || "");
  if (["plots", "pictures"].includes(view)) add({ score });
  if (view === "plots") add({ plot });
  if (view === "plots" && ["scatter", "differences"].includes(plot)) add({ a, b });
  if (view === "pictures") add({ image, which, look });
  if (view === "pictures" && which !== "all") add({ k, method });
  if (view === "pictures" && which === "disagree") add({ other });
  if (view === "pictures" && zoom) add({ zoom, at: `${across},${down}` });
  if (view === "pictures" && look === "slider") add({ left, right });
  if (view === "compare") add({ with: second });
"""
"""Makes the query of what is on the screen."""

COPY_LINK = f"""async (...given) => {{{_LINK}
  const link = `${{location.origin}}${{location.pathname}}?${{query}}`;
  try {{ await navigator.clipboard.writeText(link); }}
  catch {{ window.prompt("Copy this link", link); }}
  return given;
}}"""
"""Puts the link of what is on the screen into the clipboard."""

SHOW_LINK = f"""(...given) => {{{_LINK}
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) query.set("__theme", theme);
  window.evAddress = `?${{query}}`;
  if (document.querySelector("#ev-views")?.checkVisibility())
    history.replaceState(history.state, "", location.pathname + window.evAddress);
}}"""
"""Keeps the address that of what is on the screen: whoever reloads or shares it finds it again."""

SAVE_PLOT = """() => {
  const plot = document.querySelector("#ev-plot .js-plotly-plot");
  if (!plot || !window.Plotly) return;
  const { width, height } = plot.getBoundingClientRect();
  const page = getComputedStyle(document.querySelector(".gradio-container"));
  const paper = page.getPropertyValue("--body-background-fill").trim() || "white";
  const color = page.getPropertyValue("--body-text-color").trim() || "black";
  const { data, layout } = plot;
  const saved = { ...layout, paper_bgcolor: paper, plot_bgcolor: paper,
    font: { ...layout.font, color }, margin: { ...layout.margin, l: 64, r: 24 } };
  const asked = new URLSearchParams(window.evAddress || "");
  const filename = ["mirnet", asked.get("run"), asked.get("plot")].filter(Boolean).join("-");
  const scale = "FORMAT" === "png" ? 2 : 1;
  window.Plotly.downloadImage(
    { data, layout: saved }, { format: "FORMAT", filename, width, height, scale });
}"""
"""Saves the figure as it stands on the screen, on the page's ground: a picture at twice its size,
a drawing at its own."""

CLICK_FILE = """() => setTimeout(() => document.querySelector("#ev-file").click(), 200)"""
"""Downloads the file that an event has just made."""

SHOW_PROGRESS = """() => {
  const bar = document.querySelector("#ev-bar");
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  if (bar && bar.getBoundingClientRect().top > innerHeight - 120)
    bar.scrollIntoView({ behavior, block: "center" });
}"""
"""Brings the progress onto a small screen."""
