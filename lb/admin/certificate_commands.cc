// addcert, delcert, listcert, readcert.
//
// Source  the behaviour has them not: as acme.sh's deploy hook for it (v2) and
//         others' scripts (v1) call them and read the replies.
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "io/base/status_macros.h"
#include "lb/admin/certificates.h"
#include "lb/admin/command.h"
#include "lb/admin/option.h"
#include "lb/tls/certificate_info.h"

namespace ballast::admin {

// `data`: PEM, the body of v1; or that in base64, v2's.
absl::StatusOr<Document> AddCertificateCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const auto name, Required(parameters, "cert"));
  BALLAST_ASSIGN_OR_RETURN(const auto data, Required(parameters, "data"));
  std::string pem(data);
  if (!absl::StrContains(data, "-----BEGIN ") &&
      !absl::Base64Unescape(data, &pem)) {
    return absl::InvalidArgumentError("data: neither PEM nor base64");
  }
  const auto replace = ReadFlag(parameters.Get("replace"));
  BALLAST_RETURN_IF_ERROR(
      PutCertificate(name, pem, replace.value_or(false), &context.config()));
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> DeleteCertificateCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(const auto name,
                           Required(context.parameters(), "cert"));
  BALLAST_RETURN_IF_ERROR(DeleteCertificate(name, &context.config()));
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> ListCertificatesCommand(Context& context) {
  Node list = Node::List("cert");
  for (const auto& one : context.config().certificates()) {
    const auto info = tls::DescribeCertificate(one.chain());
    list.AddElement(
        {Node::Text("name", one.name()),
         Node::Text("type", info.ok() ? info->key_type : "unknown")});
  }
  return Document::Of({std::move(list)});
}

// Never the key.
absl::StatusOr<Document> ReadCertificateCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(const auto name,
                           Required(context.parameters(), "cert"));
  BALLAST_ASSIGN_OR_RETURN(const auto* one,
                           FindCertificate(name, context.config()));
  return Document::Of({Node::Text("certificate", one->chain())});
}

}  // namespace ballast::admin
