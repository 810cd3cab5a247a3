" Colors of Idol files, as the VS Code extension has them.
if exists("b:current_syntax")
  finish
endif

syntax case match
syntax sync minlines=200

syntax match idolNumber "\<[+-]\?\%(0x[0-9A-Fa-f_]\+\|0o[0-7_]\+\|0b[01_]\+\|[0-9][0-9_]*\)\>"
syntax match idolField "\<\h\w*\ze\s*:\%(:\)\@!"
syntax keyword idolStructure Interface
syntax keyword idolVariant Simple Result CLike Complex ServerDeath FromBytes FromPrimitive From
syntax keyword idolConstant Zerocopy Ssmarshal Hubpack Some None
syntax keyword idolBoolean true false
syntax match idolAttribute "#\s*!\s*\[\_[^\]]*\]"

syntax region idolType start=+"+ skip=+\\.+ end=+"+ contains=idolEscape,idolPrimitive,idolTypeName
syntax match idolEscape "\\\%([nrt0\\'"]\|x\x\{2}\|u{\x\{1,6}}\)" contained
syntax match idolPrimitive "\<\%([iu]\%(8\|16\|32\|64\|128\|size\)\|f32\|f64\|bool\|char\|str\)\>" contained
syntax match idolTypeName "\<\u\w*\>" contained
syntax match idolKey +"[^"\\]*"\ze\s*:+
syntax region idolRawString matchgroup=idolRawString start=+\<r\z(#*\)"+ end=+"\z1+
syntax match idolField "\<\%(doc\|description\)\ze\s*:" nextgroup=idolProseColon skipwhite
syntax match idolProseColon ":" contained nextgroup=idolProseString,idolRawString skipwhite skipempty
syntax region idolProseString start=+"+ skip=+\\.+ end=+"+ contained contains=idolEscape,@Spell

syntax region idolComment start="//" end="$" contains=@Spell,idolTodo oneline
syntax region idolComment start="/\*" end="\*/" contains=idolComment,@Spell,idolTodo
syntax keyword idolTodo TODO FIXME contained

highlight default link idolNumber Number
highlight default link idolField Identifier
highlight default link idolStructure Structure
highlight default link idolVariant Keyword
highlight default link idolConstant Constant
highlight default link idolBoolean Boolean
highlight default link idolAttribute PreProc
highlight default link idolType String
highlight default link idolEscape SpecialChar
highlight default link idolPrimitive Type
highlight default link idolTypeName Type
highlight default link idolKey Function
highlight default link idolRawString String
highlight default link idolProseString Comment
highlight default link idolComment Comment
highlight default link idolTodo Todo

let b:current_syntax = "idol"
