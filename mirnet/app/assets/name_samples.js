/* Gives examples their names for screen readers; Gradio calls them thumbnail 1 of 3. */
() => {
  setTimeout(() => document.querySelectorAll("#samples .thumbnail-item").forEach((button) => {
    button.setAttribute("aria-label", button.innerText.trim() || button.ariaLabel);
  }), 300);
}
