// The public literature on HTTP request smuggling as tests: every stream that
// two programs have been shown to read differently is refused, or means one
// thing and is passed on in a form that means it to everybody.
//
// Sources  Linhart et al., "HTTP Request Smuggling" (2005); Kettle, "HTTP
//          Desync Attacks" (2019), "Browser-Powered Desync Attacks" (2022);
//          Klein, "HTTP Request Smuggling in 2020"; Jabiyev et al., "T-Reqs"
//          (2021); Kallus and others, "TERM.EXT and EXT.TERM" (2025); Davison,
//          "hop-by-hop headers" (2019); Bishop Fox, "h2c smuggling" (2020);
//          RFC 9112 §11.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/http/attack.h"
#include "lb/http/transcript.h"

namespace ballast::http {
namespace {

class SmugglingTest : public testing::TestWithParam<Attack> {};

TEST_P(SmugglingTest, IsRefusedHoweverItIsCut) {
  const Attack& attack = GetParam();
  const std::string stream = RequestWith(attack);
  const Transcript whole = ReadRequests(stream);
  EXPECT_TRUE(whole.refusal == attack.refusal) << RefusalName(whole.refusal);
  EXPECT_EQ(whole.messages, 0u) << whole.text;
  EXPECT_EQ(whole.rewritten, "");
  for (size_t size : {1, 2, 3, 7, 50}) {
    const Transcript cut =
        ReadRequests(stream, {}, [size](size_t) { return size; });
    EXPECT_NE(cut.refusal, Refusal::kNone) << "in pieces of " << size;
    EXPECT_EQ(cut.messages, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    , SmugglingTest,
    testing::Values(
        Attack{"ClTe", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kLengthAndTransferEncoding},
        Attack{"TeCl", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
               "0\r\n\r\n", Refusal::kLengthAndTransferEncoding},
        Attack{"ClZeroAndTe",
               "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kLengthAndTransferEncoding},
        // TE.TE: one of two programs does not see "chunked".
        Attack{"TeTeXchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeChunkedX", "Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeIdentity", "Transfer-Encoding: identity\r\n", "",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeChunkedIdentity",
               "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeGzipChunked", "Transfer-Encoding: gzip, chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeChunkedTwice", "Transfer-Encoding: chunked, chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeEmptyElement", "Transfer-Encoding: ,chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeQuoted", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeSingleQuoted", "Transfer-Encoding: 'chunked'\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeParameter", "Transfer-Encoding: chunked;a=b\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeEmpty", "Transfer-Encoding:\r\n", "0\r\n\r\n",
               Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeNonBreakingSpace",
               "Transfer-Encoding: \xa0"
               "chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeTeVerticalTab", "Transfer-Encoding: \vchunked\r\n",
               "0\r\n\r\n", Refusal::kControlCharacter},
        Attack{"TeTeFormFeed", "Transfer-Encoding: chunked\f\r\n", "0\r\n\r\n",
               Refusal::kControlCharacter},
        Attack{"TeTeNul",
               Bytes(absl::string_view("Transfer-Encoding: chunked\0\r\n", 29)),
               "0\r\n\r\n", Refusal::kControlCharacter},
        Attack{"TeTeRepeated",
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingRepeated},
        Attack{"TeTeRepeatedAlike",
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingRepeated},
        Attack{"TeTeRepeatedLast",
               "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingRepeated},
        Attack{"TeSpaceBeforeColon", "Transfer-Encoding : chunked\r\n",
               "0\r\n\r\n", Refusal::kFieldNameInvalid},
        Attack{"TeTabBeforeColon", "Transfer-Encoding\t: chunked\r\n",
               "0\r\n\r\n", Refusal::kFieldNameInvalid},
        Attack{"TeFoldedName", "X: y\r\n Transfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kObsoleteFold},
        Attack{"TeFoldedValue", "Transfer-Encoding:\r\n chunked\r\n",
               "0\r\n\r\n", Refusal::kObsoleteFold},
        Attack{"TeFoldedTab", "Transfer-Encoding: chunked\r\n\tx\r\n",
               "0\r\n\r\n", Refusal::kObsoleteFold},
        Attack{"EmptyFold", "X:\r\n \r\nContent-Length: 0\r\n", "",
               Refusal::kObsoleteFold},
        Attack{"TeAfterBareLineFeed", "X: y\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kBareLineFeed},
        Attack{"TeAfterBareCarriageReturn",
               "X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n",
               Refusal::kBareCarriageReturn},
        Attack{"LineEndsInTwoCarriageReturns", "Content-Length: 0\r\r\n", "",
               Refusal::kBareCarriageReturn},
        Attack{"HeadEndsInLineFeeds", "Content-Length: 0\n\n", "",
               Refusal::kBareLineFeed},
        Attack{"ColonMissing", "Transfer-Encoding\r\n", "",
               Refusal::kFieldNameInvalid},
        Attack{"NameEmpty", ": chunked\r\n", "", Refusal::kFieldNameInvalid},
        Attack{"NameWithNul",
               Bytes(absl::string_view("Content-Length\0: 0\r\n", 20)), "",
               Refusal::kFieldNameInvalid},
        Attack{"NameNotAscii", "Content-L\xe9ngth: 0\r\n", "",
               Refusal::kFieldNameInvalid},
        // CL.CL
        Attack{"ClClDifferent", "Content-Length: 0\r\nContent-Length: 4\r\n",
               "", Refusal::kContentLengthRepeated},
        Attack{"ClClAlike", "Content-Length: 4\r\nContent-Length: 4\r\n",
               "abcd", Refusal::kContentLengthRepeated},
        Attack{"ClList", "Content-Length: 4, 4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClListDifferent", "Content-Length: 4, 5\r\n", "abcd",
               Refusal::kContentLengthRepeated},
        Attack{"ClPlus", "Content-Length: +4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClMinus", "Content-Length: -4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClHex", "Content-Length: 0x4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClFraction", "Content-Length: 4.0\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClUnderscore", "Content-Length: 1_0\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClQuoted", "Content-Length: \"4\"\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClBlankInside", "Content-Length: 4 4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClEmpty", "Content-Length:\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClOver64Bits", "Content-Length: 18446744073709551616\r\n",
               "abcd", Refusal::kContentLengthInvalid},
        // Chunks.
        Attack{"ChunkSizeHexPrefix", kChunked, "0x0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"ChunkSizePlus", kChunked, "+0\r\n\r\n", Refusal::kChunkInvalid},
        Attack{"ChunkSizeBlankBefore", kChunked, " 0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"ChunkSizeBlankAfter", kChunked, "1 \r\na\r\n0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"ChunkSizeEmpty", kChunked, "\r\n\r\n", Refusal::kChunkInvalid},
        Attack{"ChunkSizeOver64Bits", kChunked,
               "10000000000000000\r\na\r\n0\r\n\r\n", Refusal::kChunkInvalid},
        Attack{"ChunkSizeUnderscore", kChunked, "1_0\r\na\r\n0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"ChunkDataNotFollowedByCrlf", kChunked, "1\r\nab\r\n0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"ChunkDataFollowedByLf", kChunked, "1\r\na\n0\r\n\r\n",
               Refusal::kBareLineFeed},
        Attack{"ChunkLineEndsInLf", kChunked, "1\na\r\n0\r\n\r\n",
               Refusal::kBareLineFeed},
        Attack{"LastChunkEndsInLf", kChunked, "0\n\n", Refusal::kBareLineFeed},
        Attack{"TermExtLineFeedInExtension", kChunked, "2;\nxx\r\n0\r\n\r\n",
               Refusal::kBareLineFeed},
        Attack{"ExtTermCarriageReturnInExtension", kChunked,
               "2;\rxx\r\n0\r\n\r\n", Refusal::kBareCarriageReturn},
        Attack{"QuotedExtensionWithLineFeed", kChunked,
               "2;a=\"\n\"\r\nxx\r\n0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"QuotedExtensionWithNul", kChunked,
               Bytes(absl::string_view("2;a=\"\0\"\r\nxx\r\n0\r\n\r\n", 19)),
               Refusal::kChunkExtensionInvalid},
        Attack{"ExtensionWithoutName", kChunked, "2;\r\nxx\r\n0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"SpillExtensionUnterminatedQuote", kChunked,
               "2;a=\"\r\nxx\r\n0\r\n\r\n", Refusal::kChunkExtensionInvalid},
        Attack{"LastChunkUnterminatedQuote", kChunked, "0;a=\"\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"QuoteClosedInTheData", kChunked, "2;a=\"\r\nx\"\r\n0\r\n\r\n",
               Refusal::kChunkExtensionInvalid},
        Attack{"TrailerWithLength", kChunked, "0\r\nContent-Length: 30\r\n\r\n",
               Refusal::kTrailerInvalid},
        Attack{"TrailerWithTransferEncoding", kChunked,
               "0\r\nTransfer-Encoding: chunked\r\n\r\n",
               Refusal::kTrailerInvalid},
        Attack{"TrailerFolded", kChunked, "0\r\nX: y\r\n z\r\n\r\n",
               Refusal::kObsoleteFold},
        Attack{"TrailerIsARequest", kChunked,
               "0\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
               Refusal::kTrailerInvalid},
        // Hosts.
        Attack{"TwoHosts", "Host: b\r\n", "", Refusal::kHostRepeated},
        Attack{"TwoHostsAlike", "Host: a\r\n", "", Refusal::kHostRepeated},
        // Hop by hop.
        Attack{"ConnectionRemovesHost", "Connection: close, Host\r\n", "",
               Refusal::kConnectionNamesFraming},
        Attack{"ConnectionRemovesLength",
               "Content-Length: 4\r\nConnection: content-length\r\n", "abcd",
               Refusal::kConnectionNamesFraming},
        Attack{"ConnectionNoTokens", "Connection: close;x\r\n", "",
               Refusal::kConnectionInvalid}),
    [](const auto& info) { return info.param.name; });

class FirstLineTest : public testing::TestWithParam<FirstLine> {};

TEST_P(FirstLineTest, IsRefused) {
  const Transcript t = ReadRequests(GetParam().stream);
  EXPECT_TRUE(t.refusal == GetParam().refusal) << RefusalName(t.refusal);
  EXPECT_EQ(t.messages, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    , FirstLineTest,
    testing::Values(
        FirstLine{"Http09", "GET /\r\n\r\n", Refusal::kTargetInvalid},
        FirstLine{"Http20", absl::StrCat("GET / HTTP/2.0", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                  Refusal::kVersionUnsupported},
        FirstLine{"Http12", absl::StrCat("GET / HTTP/1.2", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"Http110", absl::StrCat("GET / HTTP/1.10", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"LowerCaseVersion", absl::StrCat("GET / http/1.1", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"BlankAfterVersion", absl::StrCat("GET / HTTP/1.1 ", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"TwoBlanks", absl::StrCat("GET  / HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TwoTargets", absl::StrCat("GET / /b HTTP/1.1", kHost),
                  Refusal::kVersionUnsupported},
        FirstLine{"Tab", absl::StrCat("GET\t/ HTTP/1.1", kHost),
                  Refusal::kMethodInvalid},
        FirstLine{"LeadingBlank", absl::StrCat(" GET / HTTP/1.1", kHost),
                  Refusal::kMethodInvalid},
        FirstLine{"TwoEmptyLinesFirst",
                  absl::StrCat("\r\n\r\nGET / HTTP/1.1", kHost),
                  Refusal::kMethodInvalid},
        FirstLine{"CarriageReturnFirst",
                  absl::StrCat("\rGET / HTTP/1.1", kHost),
                  Refusal::kBareCarriageReturn},
        FirstLine{"MethodNotAToken", absl::StrCat("GE(T / HTTP/1.1", kHost),
                  Refusal::kMethodInvalid},
        FirstLine{"LineFeedEndsTheLine", "GET / HTTP/1.1\nHost: a\r\n\r\n",
                  Refusal::kBareLineFeed},
        FirstLine{"BlankBeforeTheFirstField",
                  "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
                  Refusal::kFieldNameInvalid},
        FirstLine{"TargetNotAscii",
                  absl::StrCat("GET /\xc3\xa9 HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetFragment", absl::StrCat("GET /a#b HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetRelative", absl::StrCat("GET a HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetOtherScheme",
                  absl::StrCat("GET ftp://a/ HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetUserInformation",
                  absl::StrCat("GET http://u@a/ HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetNotTheHost",
                  absl::StrCat("GET http://b/ HTTP/1.1", kHost),
                  Refusal::kHostMismatch},
        FirstLine{"AsteriskOfGet", absl::StrCat("GET * HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"ConnectWithPath", absl::StrCat("CONNECT / HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"ConnectWithoutPort",
                  absl::StrCat("CONNECT a HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"ConnectWithBody",
                  "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n"
                  "Content-Length: 1\r\n\r\nx",
                  Refusal::kBodyNotAllowed},
        FirstLine{"TraceWithBody",
                  "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
                  Refusal::kBodyNotAllowed},
        FirstLine{"NoHost", "GET / HTTP/1.1\r\n\r\n", Refusal::kHostMissing},
        FirstLine{"HostEmpty", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostWithBlank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostWithUser", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostList", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostPort", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostTwoPorts", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostBareIpv6", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostIpv6Unclosed", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"HostPercent", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n",
                  Refusal::kHostInvalid},
        FirstLine{"TransferEncodingInHttp10",
                  "POST / HTTP/1.0\r\nHost: a\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  Refusal::kTransferEncodingInHttp10},
        FirstLine{"ExpectationUnknown",
                  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n",
                  Refusal::kExpectationUnknown},
        // Kettle, 2025: obfuscated Expect.
        FirstLine{"ExpectTwice",
                  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  "Expect: x\r\n\r\n",
                  Refusal::kExpectationUnknown}),
    [](const auto& info) { return info.param.name; });

// CL.0: a body on a request whose server does not expect one. We cannot know
// the server; what is passed on says the length plainly.
TEST(RewritingTest, BodyOfGetIsPassedOnAsABody) {
  const Transcript t = ReadRequests(absl::StrCat(
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ", sizeof(kHidden) - 1,
      "\r\n\r\n", kHidden));
  EXPECT_EQ(t.messages, 1u);
  EXPECT_TRUE(absl::EndsWith(
      t.rewritten, absl::StrCat("Content-Length: ", sizeof(kHidden) - 1,
                                "\r\n\r\n", kHidden)))
      << t.rewritten;
}

// Extensions mean nothing to us, and are not passed on for others to misread.
TEST(RewritingTest, ChunkExtensionsAreNotPassedOn) {
  const Transcript t = ReadRequests(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "003;a;b=c;d=\"e;\\\"f\"\r\nabc\r\n000;x\r\n\r\n");
  EXPECT_EQ(t.messages, 1u);
  EXPECT_EQ(t.rewritten,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n0\r\n\r\n");
}

// h2c smuggling: the upgrade would make a tunnel past every rule. It goes on
// only if somebody asks the writer for it, and HTTP2-Settings never.
TEST(RewritingTest, Http2SettingsAreNotPassedOn) {
  const Transcript t = ReadRequests(
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: "
      "AAMAAABk\r\n"
      "Connection: Upgrade, HTTP2-Settings\r\n\r\n");
  EXPECT_EQ(t.messages, 1u);
  EXPECT_EQ(t.rewritten,
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
            "Connection: upgrade\r\n\r\n");
}

// Fields that Connection names are gone, whoever named them.
TEST(RewritingTest, FieldsNamedByConnectionAreNotPassedOn) {
  const Transcript t = ReadRequests(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nTE: trailers\r\n"
      "Connection: close, x-sECRET\r\nKeep-Alive: 5\r\n"
      "Proxy-Connection: x\r\n\r\n");
  EXPECT_EQ(t.rewritten,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
}

}  // namespace
}  // namespace ballast::http
