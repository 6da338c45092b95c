/* Adds a picture that is pasted anywhere on the page to the photos of the Restore tab. */
document.addEventListener("paste", (event) => {
  const found = [...(event.clipboardData?.files ?? [])].filter((f) => f.type.startsWith("image/"));
  const input = document.querySelector("#photos input[type=file]");
  if (!found.length || !input) return;
  const bag = new DataTransfer();
  found.forEach((file) => bag.items.add(file));
  input.files = bag.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
});
