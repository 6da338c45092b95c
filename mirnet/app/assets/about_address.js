/* Puts the page's own address into the example for programs, and lets its button copy the example. */
() => {
  document.querySelectorAll(".mir-address").forEach((part) => {
    part.textContent = location.origin + location.pathname;
  });
  document.querySelectorAll(".mir-copy").forEach((button) => {
    const code = button.parentElement.querySelector("code").textContent;
    button.onclick = async () => {
      try { await navigator.clipboard.writeText(code); button.textContent = "Copied"; }
      catch { window.prompt("Copy this", code); }
    };
  });
}
