// A click on a photo of a batch shows it before and after, below the list.
document.addEventListener("click", (event) => {
  const row = event.target.closest && event.target.closest("[data-result]");
  if (!row) return;
  window.mirPicked = row.dataset.result;
  for (const other of document.querySelectorAll("[data-result]"))
    other.setAttribute("aria-pressed", other === row);
  document.querySelector("#batch-pick").click();
});
