; A server whose debug information has what compilers can leave behind and the one that builds the
; fixtures does not: types that are only declared, enums whose variants have no numbers (as those of
; rustc with rust-lang/rust#104625), a union. tests/idoldbg/audit/test_compiled.py compiles it.

target triple = "thumbv7em-none-unknown-eabihf"

define void @_start() nounwind !dbg !50 {
  ret void, !dbg !51
}

!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2, !3}

!0 = distinct !DICompileUnit(language: DW_LANG_Rust, file: !1, producer: "clang LLVM (rustc)", isOptimized: true, runtimeVersion: 0, emissionKind: FullDebug, retainedTypes: !4)
!1 = !DIFile(filename: "lib.rs", directory: "/odd")
!2 = !{i32 2, !"Dwarf Version", i32 4}
!3 = !{i32 2, !"Debug Info Version", i32 3}
!4 = !{!20, !22, !30, !40, !44, !70}
!5 = !DINamespace(name: "odd", scope: null)

!10 = !DIBasicType(name: "u8", size: 8, encoding: DW_ATE_unsigned)
!11 = !DIBasicType(name: "u32", size: 32, encoding: DW_ATE_unsigned)

; struct Declared;  struct Holder { count: u32, inner: Declared }
!20 = !DICompositeType(tag: DW_TAG_structure_type, name: "Declared", scope: !5, file: !1, flags: DIFlagFwdDecl, identifier: "odd20")
!22 = !DICompositeType(tag: DW_TAG_structure_type, name: "Holder", scope: !5, file: !1, size: 64, align: 32, elements: !23, identifier: "odd22")
!23 = !{!24, !25}
!24 = !DIDerivedType(tag: DW_TAG_member, name: "count", scope: !22, file: !1, baseType: !11, size: 32, align: 32, offset: 0)
!25 = !DIDerivedType(tag: DW_TAG_member, name: "inner", scope: !22, file: !1, baseType: !20, size: 32, align: 32, offset: 32)

; enum Choice { First(u32), Second(u32) }, without DW_AT_discr_value
!30 = !DICompositeType(tag: DW_TAG_structure_type, name: "Choice", scope: !5, file: !1, size: 64, align: 32, elements: !31, identifier: "odd30")
!31 = !{!32}
!32 = !DICompositeType(tag: DW_TAG_variant_part, scope: !30, file: !1, size: 64, align: 32, elements: !33, discriminator: !38)
!33 = !{!34, !35}
!34 = !DIDerivedType(tag: DW_TAG_member, name: "First", scope: !32, file: !1, baseType: !36, size: 64, align: 32)
!35 = !DIDerivedType(tag: DW_TAG_member, name: "Second", scope: !32, file: !1, baseType: !37, size: 64, align: 32)
!36 = !DICompositeType(tag: DW_TAG_structure_type, name: "First", scope: !30, file: !1, size: 64, align: 32, elements: !60, identifier: "odd36")
!37 = !DICompositeType(tag: DW_TAG_structure_type, name: "Second", scope: !30, file: !1, size: 64, align: 32, elements: !62, identifier: "odd37")
!38 = !DIDerivedType(tag: DW_TAG_member, scope: !30, file: !1, baseType: !11, size: 32, align: 32, flags: DIFlagArtificial)
!60 = !{!61}
!61 = !DIDerivedType(tag: DW_TAG_member, name: "__0", scope: !36, file: !1, baseType: !11, size: 32, align: 32, offset: 32)
!62 = !{!63}
!63 = !DIDerivedType(tag: DW_TAG_member, name: "__0", scope: !37, file: !1, baseType: !11, size: 32, align: 32, offset: 32)

; enum Level { Low = 1, High = 2 }: nothing is wrong with it
!40 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "Level", scope: !5, file: !1, baseType: !10, size: 8, align: 8, flags: DIFlagEnumClass, elements: !41, identifier: "odd40")
!41 = !{!42, !43}
!42 = !DIEnumerator(name: "Low", value: 1, isUnsigned: true)
!43 = !DIEnumerator(name: "High", value: 2, isUnsigned: true)

; union Bits { byte: u8, word: u32 }: only its author knows how it is serialized
!44 = !DICompositeType(tag: DW_TAG_union_type, name: "Bits", scope: !5, file: !1, size: 32, align: 32, elements: !45, identifier: "odd44")
!45 = !{!46, !47}
!46 = !DIDerivedType(tag: DW_TAG_member, name: "byte", scope: !44, file: !1, baseType: !10, size: 8, align: 8)
!47 = !DIDerivedType(tag: DW_TAG_member, name: "word", scope: !44, file: !1, baseType: !11, size: 32, align: 32)

; #[repr(i32)] enum Signed { Minus(u8) = -3, Byte(u8) = 253, Far(u8) = -70000 }
!12 = !DIBasicType(name: "i32", size: 32, encoding: DW_ATE_signed)
!70 = !DICompositeType(tag: DW_TAG_structure_type, name: "Signed", scope: !5, file: !1, size: 64, align: 32, elements: !71, identifier: "odd70")
!71 = !{!72}
!72 = !DICompositeType(tag: DW_TAG_variant_part, scope: !70, file: !1, size: 64, align: 32, elements: !73, discriminator: !80)
!73 = !{!74, !75, !76}
!74 = !DIDerivedType(tag: DW_TAG_member, name: "Minus", scope: !72, file: !1, baseType: !77, size: 64, align: 32, extraData: i32 -3)
!75 = !DIDerivedType(tag: DW_TAG_member, name: "Byte", scope: !72, file: !1, baseType: !78, size: 64, align: 32, extraData: i32 253)
!76 = !DIDerivedType(tag: DW_TAG_member, name: "Far", scope: !72, file: !1, baseType: !79, size: 64, align: 32, extraData: i32 -70000)
!77 = !DICompositeType(tag: DW_TAG_structure_type, name: "Minus", scope: !70, file: !1, size: 64, align: 32, elements: !81, identifier: "odd77")
!78 = !DICompositeType(tag: DW_TAG_structure_type, name: "Byte", scope: !70, file: !1, size: 64, align: 32, elements: !83, identifier: "odd78")
!79 = !DICompositeType(tag: DW_TAG_structure_type, name: "Far", scope: !70, file: !1, size: 64, align: 32, elements: !85, identifier: "odd79")
!80 = !DIDerivedType(tag: DW_TAG_member, scope: !70, file: !1, baseType: !12, size: 32, align: 32, flags: DIFlagArtificial)
!81 = !{!82}
!82 = !DIDerivedType(tag: DW_TAG_member, name: "__0", scope: !77, file: !1, baseType: !10, size: 8, align: 8, offset: 32)
!83 = !{!84}
!84 = !DIDerivedType(tag: DW_TAG_member, name: "__0", scope: !78, file: !1, baseType: !10, size: 8, align: 8, offset: 32)
!85 = !{!86}
!86 = !DIDerivedType(tag: DW_TAG_member, name: "__0", scope: !79, file: !1, baseType: !10, size: 8, align: 8, offset: 32)

!50 = distinct !DISubprogram(name: "_start", scope: !5, file: !1, line: 1, type: !52, scopeLine: 1, spFlags: DISPFlagDefinition, unit: !0, retainedNodes: !54)
!51 = !DILocation(line: 1, scope: !50)
!52 = !DISubroutineType(types: !53)
!53 = !{null}
!54 = !{}
