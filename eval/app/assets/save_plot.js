// Saves the figure as it is on the screen, on the background of the page: a PNG at twice its
// size, an SVG at its own.
() => {
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
  const scale = __FORMAT__ === "png" ? 2 : 1;
  window.Plotly.downloadImage(
    { data, layout: saved }, { format: __FORMAT__, filename, width, height, scale });
}
