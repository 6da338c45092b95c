// A link with a key invites somebody to one tab: the row of the others is hidden before it is drawn.
if (new URLSearchParams(location.search).has("key")) {
  document.documentElement.classList.add("mir-single-tab");
}
