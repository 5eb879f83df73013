package interaction

import "signet/provider/oauth"

// clientView is how pages show a client: by what it is registered with (OpenID Connect Registration section 2).
type clientView struct {
	Name    string
	Logo    string // an https URL
	Website string // http or https URLs, as the next two
	Policy  string
	Terms   string

	origin string // the logo's
}

func viewOf(client *oauth.Client) clientView {
	view := clientView{
		Name: clientName(client), origin: originOf(client.LogoURI, "https"),
		Website: link(client.ClientURI), Policy: link(client.PolicyURI), Terms: link(client.TermsURI),
	}
	if view.origin != "" {
		view.Logo = client.LogoURI
	}
	return view
}

// link returns the URI if it is one that people can follow on the web.
func link(uri string) string {
	if originOf(uri, "https", "http") == "" {
		return ""
	}
	return uri
}
