/* Switches Restore on again, unless another photo is being restored. */
() => [
  { __type__: "update", interactive: document.querySelector("#stop").disabled },
]
