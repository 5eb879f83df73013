// The page of the check_session_iframe (OpenID Connect Session Management sections 3.2 and 4.2): it gets
// "client_id session_state" from the client's page and answers "unchanged", "changed" or "error". It is plain,
// old JavaScript and computes SHA-256 by itself, synchronously, so that it works wherever there are frames.
(function () {
  "use strict";

  var K = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
  ];
  var INITIAL = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

  function rotate(x, n) { return x >>> n | x << 32 - n; }

  // compress adds one block of 64 bytes to the hash (FIPS 180-4 section 6.2.2).
  function compress(hash, bytes, at) {
    var w = [], s = hash.slice(), i, x, y, t1, t2;
    for (i = 0; i < 64; i++) {
      if (i < 16) {
        x = at + 4 * i;
        w[i] = bytes[x] << 24 | bytes[x + 1] << 16 | bytes[x + 2] << 8 | bytes[x + 3];
      } else {
        x = w[i - 15];
        y = w[i - 2];
        w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >>> 3) +
          w[i - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ y >>> 10) | 0;
      }
      t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
        (s[4] & s[5] ^ ~s[4] & s[6]) + K[i] + w[i];
      t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
        (s[0] & s[1] ^ s[0] & s[2] ^ s[1] & s[2]);
      s = [t1 + t2 | 0, s[0], s[1], s[2], s[3] + t1 | 0, s[4], s[5], s[6]];
    }
    for (i = 0; i < 8; i++) { hash[i] = hash[i] + s[i] | 0; }
  }

  // sha256 hashes a short text of ASCII and returns it in base64url.
  function sha256(text) {
    var bytes = [], hash = INITIAL.slice(), out = "", i;
    for (i = 0; i < text.length; i++) { bytes.push(text.charCodeAt(i)); }
    bytes.push(0x80);
    while (bytes.length % 64 !== 56) { bytes.push(0); }
    bytes.push(0, 0, 0, 0, 0, text.length >>> 13 & 255, text.length >>> 5 & 255, text.length << 3 & 255);
    for (i = 0; i < bytes.length; i += 64) { compress(hash, bytes, i); }
    for (i = 0; i < 32; i++) { out += String.fromCharCode(hash[i >> 2] >>> 24 - 8 * (i & 3) & 255); }
    return btoa(out).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }

  // browserState is what the login left in this browser; "" when nobody is signed in.
  function browserState() {
    var found = [], all = document.cookie.split("; "), name = "__Host-signet-state=", i;
    for (i = 0; i < all.length; i++) {
      if (all[i].indexOf(name) === 0) { found.push(all[i].substring(name.length)); }
    }
    return found.length === 1 && /^[A-Za-z0-9_-]{43}$/.test(found[0]) ? found[0] : "";
  }

  function judge(data, origin) {
    if (typeof data !== "string" || data.length > 4096 || /[^ -~]/.test(data)) { return "error"; }
    // A client_id may have spaces in it, a session_state not.
    var space = data.lastIndexOf(" "), dot = data.lastIndexOf("."), state = browserState();
    if (space < 1 || dot < space + 2 || dot === data.length - 1) { return "error"; }
    // Where the browser keeps our cookies from other sites' pages, nobody can tell.
    if (state === "" && !navigator.cookieEnabled) { return "error"; }
    var client = data.substring(0, space), sent = data.substring(space + 1), salt = data.substring(dot + 1);
    return sent === sha256([client, origin, state, salt].join(" ")) + "." + salt ? "unchanged" : "changed";
  }

  window.addEventListener("message", function (event) {
    // Only the page around this frame may ask (section 3.2). Browsers that do not say which that is still give the
    // sender's origin, which has to be the one that the session_state was made for.
    var around = location.ancestorOrigins;
    if (!event.source || event.origin === "null" || around && around.length && around[0] !== event.origin) { return; }
    event.source.postMessage(judge(event.data, event.origin), event.origin);
  }, false);
})();
