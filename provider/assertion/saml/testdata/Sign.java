// Signs a SAML 2.0 assertion with the XML Signature implementation of the JDK (Apache Santuario), with an
// InclusiveNamespaces PrefixList for the prefix that is only in an attribute's value, as OpenSAML does.
//
//   java Sign.java KEY.pem CERTIFICATE.pem rsa-sha512 <assertion.xml >signed.xml
//
// The assertion has an element <ds:Signature Id="placeholder"/>, which is replaced.

import java.io.StringWriter;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

public class Sign {
    public static void main(String[] args) throws Exception {
        String pem = Files.readString(Path.of(args[0])).replaceAll("-----[A-Z ]+-----|\\s", "");
        String kind = args[2].startsWith("ecdsa") ? "EC" : "RSA";
        PrivateKey key = KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
        var certificate = CertificateFactory.getInstance("X.509").generateCertificate(Files.newInputStream(Path.of(args[1])));

        var parsers = DocumentBuilderFactory.newInstance();
        parsers.setNamespaceAware(true);
        Document document = parsers.newDocumentBuilder().parse(System.in);
        Element root = document.getDocumentElement();
        root.setIdAttribute("ID", true);
        Node placeholder = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
        Node next = placeholder.getNextSibling();
        root.removeChild(placeholder);

        var factory = XMLSignatureFactory.getInstance("DOM");
        var exclusive = factory.newTransform(CanonicalizationMethod.EXCLUSIVE, new ExcC14NParameterSpec(List.of("xs")));
        var enveloped = factory.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null);
        var reference = factory.newReference("#" + root.getAttribute("ID"),
            factory.newDigestMethod(DigestMethod.SHA512, null), List.of(enveloped, exclusive), null, null);
        var info = factory.newSignedInfo(factory.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
            factory.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#" + args[2], null), List.of(reference));
        var keys = factory.getKeyInfoFactory();
        var keyInfo = keys.newKeyInfo(List.of(keys.newX509Data(List.of(certificate))));
        var context = new DOMSignContext(key, root, next);
        context.setDefaultNamespacePrefix("ds");
        factory.newXMLSignature(info, keyInfo).sign(context);

        Transformer transformer = TransformerFactory.newInstance().newTransformer();
        StringWriter text = new StringWriter();
        transformer.transform(new DOMSource(document), new StreamResult(text));
        System.out.print(text);
    }
}
