(function () {
  document.getElementById("forward-button").hidden = true;
  document.getElementById("forward-form").submit();
})();
