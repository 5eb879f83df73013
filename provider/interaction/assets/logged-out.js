(function () {
  var gone = false;
  function go() {
    if (!gone) {
      gone = true;
      window.location.replace(document.getElementById("logout-continue").href);
    }
  }
  window.addEventListener("load", go);
  window.setTimeout(go, 3000);
})();
