// More of the public literature on desynchronised connections, as
// smuggling_test.cc has the first of it: what came later, what single programs
// were caught with, and answers. Each case names its source.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/http/attack.h"
#include "lb/http/transcript.h"

namespace ballast::http {
namespace {

class DesyncTest : public testing::TestWithParam<Attack> {};

TEST_P(DesyncTest, IsRefused) {
  const Transcript t = ReadRequests(RequestWith(GetParam()));
  EXPECT_TRUE(t.refusal == GetParam().refusal) << RefusalName(t.refusal);
  EXPECT_EQ(t.messages, 0u) << t.text;
  EXPECT_EQ(t.rewritten, "");
}

INSTANTIATE_TEST_SUITE_P(
    , DesyncTest,
    testing::Values(
        // Kallus et al., 2025: two bytes after a chunk's data, not looked at.
        Attack{"TwoBytesAfterChunkData", kChunked, "1\r\naXX0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"CarriageReturnsAfterChunkData", kChunked, "1\r\na\r\r0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"LastChunkFollowedByOther", kChunked, "0\r\nX\r\n\r\n",
               Refusal::kTrailerInvalid},
        // CVE-2013-2028 (nginx), CVE-2015-3183 (httpd): sizes taken as signed.
        Attack{"ChunkSizeMinus", kChunked, "-1\r\na\r\n0\r\n\r\n",
               Refusal::kChunkInvalid},
        // CVE-2019-18277 (HAProxy), CVE-2022-32213 (llhttp): TE obfuscated.
        Attack{"TeTeVerticalTabAfter", "Transfer-Encoding: chunked\v\r\n",
               "0\r\n\r\n", Refusal::kControlCharacter},
        Attack{"TeTeFoldedChunked",
               "Transfer-Encoding: chunked\r\n , identity\r\n", "0\r\n\r\n",
               Refusal::kObsoleteFold},
        // Letters that some case foldings make a k of (U+212A).
        Attack{"TeTeKelvin",
               "Transfer-Encoding: chun\xe2\x84\xaa"
               "ed\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        // Digits of other scripts, which some isdigit() take.
        Attack{"ClArabicDigits", "Content-Length: \xd9\xa4\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"ClBlankBeforeColon", "Content-Length : 4\r\n", "abcd",
               Refusal::kFieldNameInvalid},
        Attack{"ClTwiceOneZero", "Content-Length: 0\r\nContent-Length: 34\r\n",
               "", Refusal::kContentLengthRepeated},
        Attack{"ClNul", Bytes(absl::string_view("Content-Length: 4\0\r\n", 20)),
               "abcd", Refusal::kControlCharacter},
        Attack{"ValueNul", Bytes(absl::string_view("X: a\0b\r\n", 8)), "",
               Refusal::kControlCharacter},
        // Kettle, 2025 (0.CL): a length only one side sees, by a bare CR, a
        // blank before the name, or a line that never was one.
        Attack{"ClAfterBareCarriageReturn", "X: y\rContent-Length: 34\r\n", "",
               Refusal::kBareCarriageReturn},
        Attack{"ClBlankBeforeName", "X: y\r\n Content-Length: 34\r\n", "",
               Refusal::kObsoleteFold},
        Attack{"ClCarriageReturnBeforeName", "\rContent-Length: 34\r\n", "",
               Refusal::kBareCarriageReturn}),
    [](const auto& info) { return info.param.name; });

class DesyncLineTest : public testing::TestWithParam<FirstLine> {};

TEST_P(DesyncLineTest, IsRefused) {
  const Transcript t = ReadRequests(GetParam().stream);
  EXPECT_TRUE(t.refusal == GetParam().refusal) << RefusalName(t.refusal);
  EXPECT_EQ(t.messages, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    , DesyncLineTest,
    testing::Values(
        FirstLine{
            "TargetNul",
            absl::StrCat(absl::string_view("GET /\0 HTTP/1.1", 16), kHost),
            Refusal::kTargetInvalid},
        FirstLine{"MethodNul",
                  absl::StrCat(absl::string_view("G\0T / HTTP/1.1", 14), kHost),
                  Refusal::kMethodInvalid},
        FirstLine{"CarriageReturnInTheLine",
                  absl::StrCat("GET /\rX HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"CarriageReturnAfterVersion",
                  absl::StrCat("GET / HTTP/1.1\rX: y", kHost),
                  Refusal::kVersionUnsupported},
        // Tsai, "A New Era of SSRF" (2017): two readings of an authority.
        FirstLine{"TargetTwoUsers",
                  absl::StrCat("GET http://a@b@a/ HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetBackslash",
                  absl::StrCat("GET http://a\\@b/ HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetNoAuthority",
                  absl::StrCat("GET http:///a HTTP/1.1", kHost),
                  Refusal::kTargetInvalid},
        FirstLine{"TargetOtherPort",
                  absl::StrCat("GET http://a:81/ HTTP/1.1", kHost),
                  Refusal::kHostMismatch},
        FirstLine{
            "HostNul",
            Bytes(absl::string_view("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
                                    30)),
            Refusal::kControlCharacter},
        FirstLine{"HostFolded", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
                  Refusal::kObsoleteFold},
        FirstLine{"HostBlankBeforeColon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                  Refusal::kFieldNameInvalid},
        FirstLine{"HostTwiceOtherLetterCase",
                  "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n",
                  Refusal::kHostRepeated}),
    [](const auto& info) { return info.param.name; });

// TE.0 (Bui and others, 2024): the same with chunks, on OPTIONS.
TEST(DesyncRewritingTest, ChunksOfOptionsArePassedOnAsChunks) {
  const Transcript t = ReadRequests(absl::StrCat(
      "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      absl::Hex(sizeof(kHidden) - 1), "\r\n", kHidden, "\r\n0\r\n\r\n"));
  EXPECT_EQ(t.messages, 1u);
  EXPECT_EQ(t.rewritten, absl::StrCat("OPTIONS / HTTP/1.1\r\nHost: a\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n",
                                      absl::Hex(sizeof(kHidden) - 1), "\r\n",
                                      kHidden, "\r\n0\r\n\r\n"));
}

// What RFC 9110 and 9112 allow in more than one spelling leaves in one.
TEST(DesyncRewritingTest, FramingHasOneSpelling) {
  for (const char* spelled :
       {"Transfer-Encoding: CHUNKED\r\n", "Transfer-Encoding:\tchunked \r\n",
        "tRANSFER-eNCODING:chunked\r\n",
        "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n"}) {
    const Transcript t =
        ReadRequests(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", spelled,
                                  "\r\n0003\r\nabc\r\n00\r\n\r\n"));
    EXPECT_EQ(t.rewritten,
              "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
              "\r\n3\r\nabc\r\n0\r\n\r\n")
        << spelled;
  }
  // Octal to some.
  const Transcript t = ReadRequests(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:010 \r\n\r\n0123456789");
  EXPECT_EQ(t.rewritten,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
            "0123456789");
}

// Sizes that 32 or 64 bits of another program would wrap (Klein, 2020): all
// that follows is body, and never a request.
TEST(DesyncRewritingTest, HugeSizesAreNotWrapped) {
  for (const char* size :
       {"100000000", "80000000", "7fffffffffffffff", "ffffffffffffffff"}) {
    const Transcript t =
        ReadRequests(absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n", kChunked,
                                  "\r\n", size, "\r\n\r\n0\r\n\r\n", kHidden));
    EXPECT_EQ(t.messages, 0u) << size;
    EXPECT_FALSE(absl::StrContains(t.text, "/hidden host"));
  }
  for (const char* length :
       {"4294967296", "9223372036854775807", "18446744073709551615"}) {
    const Transcript t = ReadRequests(
        absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", length,
                     "\r\n\r\n", kHidden));
    EXPECT_EQ(t.messages, 0u) << length;
    EXPECT_FALSE(absl::StrContains(t.text, "/hidden host"));
  }
}

// A path that some take for an authority ("//b") stays a path.
TEST(DesyncRewritingTest, TwoSlashesAreAPath) {
  const Transcript t = ReadRequests("GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(t.rewritten, "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n");
}

// Trailers are no fields: what decides anything is not passed on in one
// (RFC 9110 §6.5.1).
TEST(DesyncRewritingTest, TrailersDecideNothing) {
  const Transcript t = ReadRequests(absl::StrCat(
      "POST / HTTP/1.1\r\nHost: a\r\n", kChunked,
      "\r\n0\r\nHost: b\r\nAuthorization: x\r\nCookie: y\r\n"
      "X-Forwarded-For: 1.2.3.4\r\nExpect: 100-continue\r\nX: y\r\n\r\n"));
  EXPECT_EQ(t.messages, 1u);
  EXPECT_EQ(t.rewritten, absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\n",
                                      kChunked, "\r\n0\r\nX: y\r\n\r\n"));
}

// Answers that two programs have read differently (RFC 9112 §11.1; Klein,
// "Divide and Conquer", 2004; Kettle, 2022: answers to HEAD). Refused, or one
// answer and no second.
class SplittingTest : public testing::TestWithParam<Attack> {};

TEST_P(SplittingTest, IsRefused) {
  const Attack& attack = GetParam();
  const Transcript t = ReadResponses(
      absl::StrCat("HTTP/1.1 200 OK\r\n", attack.fields, "\r\n", attack.rest),
      Method::kGet);
  EXPECT_TRUE(t.refusal == attack.refusal) << RefusalName(t.refusal);
  EXPECT_EQ(t.messages, 0u) << t.text;
}

INSTANTIATE_TEST_SUITE_P(
    , SplittingTest,
    testing::Values(
        Attack{"ClTe", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
               "0\r\n\r\n", Refusal::kLengthAndTransferEncoding},
        Attack{"ClClDifferent", "Content-Length: 0\r\nContent-Length: 4\r\n",
               "abcd", Refusal::kContentLengthRepeated},
        Attack{"ClListDifferent", "Content-Length: 0, 4\r\n", "abcd",
               Refusal::kContentLengthRepeated},
        Attack{"ClMinus", "Content-Length: -1\r\n", "abcd",
               Refusal::kContentLengthInvalid},
        Attack{"TeGzipChunked", "Transfer-Encoding: gzip, chunked\r\n",
               "0\r\n\r\n", Refusal::kTransferEncodingUnsupported},
        Attack{"TeIdentity", "Transfer-Encoding: identity\r\n", "abcd",
               Refusal::kTransferEncodingUnsupported},
        Attack{"CookieWithLineFeed", "Set-Cookie: a=b\nContent-Length: 0\r\n",
               "", Refusal::kBareLineFeed},
        Attack{"CookieWithCarriageReturn",
               "Set-Cookie: a=b\rContent-Length: 0\r\n", "",
               Refusal::kBareCarriageReturn},
        Attack{"Fold", "Set-Cookie: a=b\r\n Content-Length: 0\r\n", "",
               Refusal::kObsoleteFold},
        Attack{"Nul", Bytes(absl::string_view("X: a\0b\r\n", 8)), "",
               Refusal::kControlCharacter},
        Attack{"ChunkSizeMinus", kChunked, "-1\r\nabc\r\n0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"ChunkSizeOver64Bits", kChunked,
               "10000000000000003\r\nabc\r\n0\r\n\r\n", Refusal::kChunkInvalid},
        Attack{"TwoBytesAfterChunkData", kChunked, "1\r\naXX0\r\n\r\n",
               Refusal::kChunkInvalid},
        Attack{"Truncated", "Content-Length: 4\r\n", "abc",
               Refusal::kTruncated},
        Attack{"TruncatedChunks", kChunked, "3\r\nabc\r\n",
               Refusal::kTruncated}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ballast::http
