/* Offers the text of a preset as a file. */
(text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
  link.download = "mirnet-preset.toml";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
