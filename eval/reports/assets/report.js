const figures = JSON.parse(document.getElementById('figures').textContent);
const options = {responsive: true, displaylogo: false};
figures.forEach((figure, number) => {
  const place = document.getElementById('figure-' + number);
  Plotly.newPlot(place, figure.data, figure.layout, options);
});
addEventListener('beforeprint', () => {
  document.querySelectorAll('.js-plotly-plot').forEach((plot) => Plotly.Plots.resize(plot));
});
